"""The systems under test: rayfaas, its peers, and a bare server as the limit. One file each."""
