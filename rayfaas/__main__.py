"""`python -m rayfaas` is `rayfaas`."""

from rayfaas.cli import main

main()
