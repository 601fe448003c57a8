"""TensorFlow's files, without TensorFlow and without protobuf.

Records (`records`) are lengths, bytes and checksums (`checksums`); what they hold are
messages (`messages`) in the wire format of protocol buffers (`wire`). A package for these
would bring 3 to 40 MB, a new major version each year, and messages that clash with those
of TensorBoard in one process; the wire format is two pages. Readers trust nothing: lengths,
depths and checksums are checked before memory is taken.
"""
