"""The embedded stack: a real Kafka and a real MongoDB for one machine, without Docker.

`stack.py` is the way in; `kafka.py` and `mongo.py` know their server, `jars.py` fetches Kafka,
`child.py` keeps a server from outliving whoever started it, `launch.py` starts it.
"""
