//! What `build.rs` generates from the `.proto` files: messages, clients and servers. Nothing is written here by hand.

#![allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code follows the generators' style; the .proto files carry the documentation"
)]

tonic::include_proto!("holdfast.v1");
