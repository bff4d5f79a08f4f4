"""Mixing: from the token files of all groups to shards in training order.

``mix_plan`` decides how many sequences each group contributes, ``global_order`` interleaves them, ``group_stream``
orders the tokens of a group, ``build_shard`` and ``write_shard`` make the shards, ``token_balance`` checks that no
token is lost, and ``mixed_shards`` reads the shards for training. No module imports Beam or ``tokenizers``.
"""
