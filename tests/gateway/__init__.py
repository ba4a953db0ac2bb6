"""The gateway's parts, with an executor and a controller of the tests at the other end of real sockets."""
