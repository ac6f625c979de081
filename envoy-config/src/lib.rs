//! The local mesh.
