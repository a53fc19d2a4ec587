"""Painters: what turns a picture and a prompt into a picture, on this machine or at a service."""
