-- What random statements have found.
UPDATE orders AS u SET user_id = u.user_id + 1, id = u.id + 50 WHERE u.id = 4 RETURNING u, u.id
UPDATE orders SET user_id = user_id + 1, id = id + 50 WHERE id = 4 RETURNING row_to_json(orders.*)
