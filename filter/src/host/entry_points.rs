//! The entry points of the module, with the names that the build replaces.
//!
//! The SDK's entry points cost each request a context object, a map and three more entries. These
//! functions replace them: `cargo xtask module` gives `hop_on_*` the names that Envoy calls and
//! removes the SDK's, because two symbols with one name do not link.

#![allow(unsafe_code, reason = "an export name is an unsafe attribute")]

use super::callbacks;

/// The gRPC status of a received message.
const GRPC_OK: u32 = 0;

#[unsafe(export_name = "hop_on_context_create")]
extern "C" fn context_create(context: u32, root: u32) {
    callbacks::on_context_create(context, root);
}

/// Envoy calls this for connections only. The result is to continue.
#[unsafe(export_name = "hop_on_new_connection")]
extern "C" fn new_connection(context: u32) -> u32 {
    callbacks::on_connection(context);
    0
}

#[unsafe(export_name = "hop_on_log")]
extern "C" fn log(context: u32) {
    callbacks::on_log(context);
}

#[unsafe(export_name = "hop_on_done")]
extern "C" fn on_done(context: u32) -> u32 {
    u32::from(callbacks::on_done(context))
}

#[unsafe(export_name = "hop_on_vm_start")]
extern "C" fn vm_start(_root: u32, _configuration_bytes: usize) -> u32 {
    1
}

#[unsafe(export_name = "hop_on_configure")]
extern "C" fn configure(root: u32, configuration_bytes: usize) -> u32 {
    callbacks::on_configure(root, configuration_bytes);
    // Envoy closes the filter chain of a listener whose plugin rejects its configuration.
    1
}

#[unsafe(export_name = "hop_on_tick")]
extern "C" fn tick(root: u32) {
    callbacks::on_tick(root);
}

#[unsafe(export_name = "hop_on_grpc_receive")]
extern "C" fn grpc_receive(root: u32, token: u32, message_bytes: usize) {
    callbacks::on_grpc_reply(root, token, GRPC_OK, message_bytes);
}

#[unsafe(export_name = "hop_on_grpc_close")]
extern "C" fn grpc_close(root: u32, token: u32, status: u32) {
    callbacks::on_grpc_reply(root, token, status, 0);
}
