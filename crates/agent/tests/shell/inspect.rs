//! Looking at a host changes nothing and says what is.
