//! The `.proto` files explain themselves: every element has a comment, and times name their unit.
#![allow(clippy::unwrap_used, clippy::as_conversions, reason = "test")]

use std::collections::BTreeMap;

use holdfast_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

// Field numbers of descriptor.proto: the steps of a path into a file.
const FILE_MESSAGE: i32 = 4;
const FILE_ENUM: i32 = 5;
const FILE_SERVICE: i32 = 6;
const MESSAGE_FIELD: i32 = 2;
const MESSAGE_NESTED: i32 = 3;
const ENUM_VALUE: i32 = 2;
const SERVICE_METHOD: i32 = 2;

#[test]
fn descriptor_set_loads_and_serves_reflection() {
    let files: Vec<String> = files().iter().map(|file| file.name().to_owned()).collect();
    for audience in [
        "audit",
        "ceremony",
        "cluster",
        "common",
        "fact",
        "log",
        "node",
        "officer",
        "order",
        "provider",
        "wallet",
        "whitelist",
        "withdrawal",
    ] {
        assert!(
            files.contains(&format!("holdfast/v1/{audience}.proto")),
            "{audience} is missing in {files:?}"
        );
    }
    let reflection = tonic_reflection::server::Builder::configure();
    assert!(reflection.register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET).build_v1().is_ok());
}

#[test]
fn every_element_has_a_comment() {
    let elements = elements();
    assert!(elements.len() > 250, "the walk over the descriptors found only {} elements", elements.len());
    let silent: Vec<&String> =
        elements.iter().filter(|(_, comment)| comment.is_empty()).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "no comment: {silent:#?}");
}

#[test]
fn every_time_and_duration_names_its_unit() {
    for (suffix, unit) in [("_ms", "illiseconds"), ("_us", "icroseconds"), ("_wei", "wei")] {
        let fields: Vec<_> = elements().into_iter().filter(|(name, _)| name.ends_with(suffix)).collect();
        assert!(!fields.is_empty());
        for (name, comment) in fields {
            assert!(comment.contains(unit), "{name}: {comment}");
        }
    }
}

/// Full name and leading comment of everything that is declared.
fn elements() -> Vec<(String, String)> {
    files().iter().flat_map(elements_of_file).collect()
}

fn files() -> Vec<FileDescriptorProto> {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file
}

fn elements_of_file(file: &FileDescriptorProto) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<i32>)> = Vec::new();
    for (i, message) in (0..).zip(&file.message_type) {
        walk_message(message, message.name(), &[FILE_MESSAGE, i], &mut found);
    }
    for (i, declared) in (0..).zip(&file.enum_type) {
        found.push((declared.name().to_owned(), vec![FILE_ENUM, i]));
        for (j, value) in (0..).zip(&declared.value) {
            found.push((format!("{}.{}", declared.name(), value.name()), vec![FILE_ENUM, i, ENUM_VALUE, j]));
        }
    }
    for (i, service) in (0..).zip(&file.service) {
        found.push((service.name().to_owned(), vec![FILE_SERVICE, i]));
        for (j, method) in (0..).zip(&service.method) {
            let name = format!("{}.{}", service.name(), method.name());
            found.push((name, vec![FILE_SERVICE, i, SERVICE_METHOD, j]));
        }
    }
    let comments = comments_of(file);
    found.into_iter().map(|(name, path)| (name, comments.get(&path).cloned().unwrap_or_default())).collect()
}

fn walk_message(message: &DescriptorProto, name: &str, path: &[i32], found: &mut Vec<(String, Vec<i32>)>) {
    found.push((name.to_owned(), path.to_vec()));
    for (i, field) in (0..).zip(&message.field) {
        found.push((format!("{name}.{}", field.name()), [path, &[MESSAGE_FIELD, i]].concat()));
    }
    // Maps are nested messages that nobody wrote.
    let is_map =
        |nested: &DescriptorProto| nested.options.as_ref().is_some_and(|options| options.map_entry());
    for (i, nested) in (0..).zip(&message.nested_type).filter(|(_, nested)| !is_map(nested)) {
        walk_message(
            nested,
            &format!("{name}.{}", nested.name()),
            &[path, &[MESSAGE_NESTED, i]].concat(),
            found,
        );
    }
}

fn comments_of(file: &FileDescriptorProto) -> BTreeMap<Vec<i32>, String> {
    let locations = file.source_code_info.as_ref().map(|info| info.location.as_slice()).unwrap_or_default();
    locations.iter().map(|place| (place.path.clone(), place.leading_comments().trim().to_owned())).collect()
}
