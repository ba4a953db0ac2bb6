"""The home server: the processes that `rayfaas up` starts, and how their parts are put together."""
