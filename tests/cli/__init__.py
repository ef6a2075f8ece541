"""Tests of `kho`, and what they share: a small province, an agency's quarantine."""
