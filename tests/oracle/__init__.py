"""The judges of correctness: engines that run one instruction on given state, and the comparison of what they say."""
