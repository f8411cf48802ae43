-- Lists of one owner's keys of one account or of one client, whatever the number of other keys.

CREATE INDEX device_key_bindings_of_account
    ON device_key_bindings (owner_uid, account_user_id, key_id) WHERE phase = 'ready';

CREATE INDEX device_key_bindings_of_client
    ON device_key_bindings (owner_uid, client_id, key_id) WHERE phase = 'ready';
