"""What a client can do: a file for each group of operations, which `rayfaas.client.Client` has all of."""
