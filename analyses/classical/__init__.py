"""Tests and intervals without a model: ranks, proportions, paired and stratified grades."""
