"""What is spoken: the three modes. Copy from here when you write your own."""
