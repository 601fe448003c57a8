"""Kernels that exchange values with other processes.

A step that calls Python to exchange its gradients stops for 30 to 50 us each time, and
computes nothing meanwhile. Here an exchange is two calls among the others of a tape: one
posts a job to the channel of the process, one awaits it. `channel_words` says what a channel
and the memory shared by the ranks of a machine are made of, `native` has the kernels that post
and await and the loops of threads, `jobs` what is done, of `parts`, in the language of
`channel_code`, emitted as the workers are. `terms` writes the loops that add, and
`collectives` makes calls of ops, `gathered` of those that put what ranks have updated into
variables. A step of a few microseconds costs 2 to 3 us more on two ranks of one machine than
on one that is alone.
"""
