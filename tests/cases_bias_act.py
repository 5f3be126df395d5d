"""Cases of bias_act for the tests and the benchmark."""

ACTIVATIONS = ["linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish"]
# Layers of a 1024 px generator: channels, side.
LAYERS = [(512, 64), (256, 128), (128, 256), (64, 512), (32, 1024)]
