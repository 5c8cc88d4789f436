//! Any bytes as the channel between operator and edge: however they arrive they are the same lines, and what is read can be written.
#![no_main]

use edge_contract::{FromEdge, FromOperator, Lines, decode_line, encode_line};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let (mut lines, mut found) = (Lines::new(), Vec::new());
    for piece in pieces {
        lines.push(piece);
        while let Ok(Some(line)) = lines.next_line() {
            found.push(line);
        }
    }
    found
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = lines(std::iter::once(bytes));
    assert_eq!(lines(bytes.chunks(usize::from(size).max(1))), whole);
    assert_eq!(whole.len(), bytes.iter().filter(|byte| **byte == b'\n').count());
    for line in whole {
        if let Ok(message) = decode_line::<FromOperator>(&line) {
            let written = encode_line(&message).expect("can be written");
            assert_eq!(decode_line::<FromOperator>(&written).expect("can be read"), message);
            if let FromOperator::Config(config) = message {
                let _ = config.validate();
            }
        }
        if let Ok(message) = decode_line::<FromEdge>(&line) {
            let written = encode_line(&message).expect("can be written");
            assert_eq!(decode_line::<FromEdge>(&written).expect("can be read"), message);
            assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
        let _ = decode_line::<Value>(&line);
    }
});
