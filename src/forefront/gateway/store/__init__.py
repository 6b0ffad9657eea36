"""The database: connections, schema, migrations, heartbeats of servers, export, import and pruning."""
