"""What may be wrong with a set-up, for ``check``: each check is a pure decision over facts that it observes first."""
