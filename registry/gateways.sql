-- name: add_token
INSERT INTO store.gateway_tokens VALUES ($id, $secret, $gateway, $expires);

-- name: drop_expired_tokens
DELETE FROM store.gateway_tokens WHERE expires_us <= $now;

-- name: token_secret
SELECT secret FROM store.gateway_tokens WHERE id = $id AND expires_us > $now;

-- name: use_token
DELETE FROM store.gateway_tokens WHERE id = $id AND expires_us > $now RETURNING gateway;

-- name: remove_tokens
DELETE FROM store.gateway_tokens WHERE gateway = $gateway;

-- name: set_gateway
INSERT OR REPLACE INTO store.gateways VALUES ($gateway, $key, '', $now);

-- name: set_address
UPDATE store.gateways SET address = $address WHERE gateway = $gateway;

-- name: gateways
SELECT gateway, key, address FROM store.gateways;

-- name: remove_gateway
DELETE FROM store.gateways WHERE gateway = $gateway;
