"""A certificate: a rigorous proof, in floats, that gradient descent from given weights converges to zero loss."""

from minimal_gd.certificate.certificate import Certificate, certify

__all__ = ["Certificate", "certify"]
