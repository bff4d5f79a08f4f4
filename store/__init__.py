"""What a run leaves on disk: storage by URL, keys, record counts, receipts, stage directories, heartbeats, ledger."""
