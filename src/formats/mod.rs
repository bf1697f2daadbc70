//! Text shapes that at least two doors need.
