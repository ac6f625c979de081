//! The boundary to Envoy, and the only module that names `proxy_wasm`.
//!
//! In: the callbacks of a Wasm VM. Out: host calls.
//! Invariant: no callback panics, whatever Envoy passes, because a trap would end the VM and reset
//! the streams in flight. Every request continues unchanged.

mod abi;
mod state;
mod properties;
mod log;
mod metrics;
mod callbacks;
mod entry_points;

// Only the first entry point of the SDK remains in the module: it runs the constructors of the C
// library.
proxy_wasm::main! {{}}

/// A tenth of the code of the C library's allocator, which V8 would compile in each proxy.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
