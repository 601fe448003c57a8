"""`tf.signal`: Fourier transforms."""

from graphopt.ops.complex_numbers import fft as fft
from graphopt.ops.complex_numbers import fft2d as fft2d
from graphopt.ops.complex_numbers import ifft as ifft
from graphopt.ops.complex_numbers import ifft2d as ifft2d
from graphopt.ops.complex_numbers import irfft as irfft
from graphopt.ops.complex_numbers import irfft2d as irfft2d
from graphopt.ops.complex_numbers import rfft as rfft
from graphopt.ops.complex_numbers import rfft2d as rfft2d
