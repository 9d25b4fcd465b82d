"""What `tandem check` says of a trial before it is analysed: what cannot be done, what looks odd, what there is."""
