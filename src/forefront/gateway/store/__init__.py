"""The database: connections, schema, migrations, export and import."""
