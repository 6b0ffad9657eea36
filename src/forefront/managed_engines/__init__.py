"""Managed engines: model servers of other projects as child processes of this one."""
