"""What must not leave the machine: secrets and chosen ids, taken out of records and texts."""
