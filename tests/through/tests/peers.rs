//! WebSocket and gRPC through an edge, between peers of the library `websockets` and of gRPC's own.

use edge_contract::Scheme;
use serde_json::json;
use tests_through::peers::Peers;
use tests_through::program::Program;

#[tokio::test]
async fn peers_of_websocket_say_to_each_other_what_they_would_without_an_edge() {
    let peers = Peers::start("websocket_peers.py").await;
    let edge = Program::before(peers.address, Scheme::Http).await;
    let said = peers.go(edge.viewers).await;
    let expect = [
        json!({"what": "handshake", "subprotocol": "chat.v2", "extensions": ["permessage-deflate"]}),
        json!({"what": "cookie", "heard": "sid=1"}),
        json!({"what": "messages", "sent": 14, "kept": 14}),
        json!({"what": "ping"}),
        json!({"what": "closed by the client", "server_heard": 1000, "client_heard": 1000}),
        json!({"what": "closed by the server", "server_heard": 4002, "client_heard": 4002, "reason": "as you wish"}),
        json!({"what": "large", "bytes": 16 << 20}),
        json!({"what": "at once", "connections": 200, "kept": 200}),
        json!({"what": "refused", "status": 403, "body": "not you\n"}),
    ];
    assert_eq!(said, expect);
}

#[tokio::test]
async fn peers_of_grpc_call_each_other_as_they_would_without_an_edge() {
    let peers = Peers::start("grpc_peers.py").await;
    let edge = Program::before(peers.address, Scheme::H2c).await;
    let said = peers.go(edge.viewers).await;
    let expect = [
        json!({"what": "unary", "answer": "hello", "first": "a", "told": "b", "binary": "00ff"}),
        json!({"what": "large", "bytes": 3 << 20}),
        json!({"what": "empty", "bytes": 0}),
        json!({"what": "refused", "code": "PERMISSION_DENIED", "details": "not you: ü", "why": "you"}),
        json!({"what": "deadline", "code": "DEADLINE_EXCEEDED", "in_time": true}),
        json!({"what": "trailers alone", "code": "UNIMPLEMENTED"}),
        json!({"what": "server streams", "messages": 10_000}),
        json!({"what": "client streams", "bytes": 1_000_000}),
        json!({"what": "both stream", "turns": 100}),
        json!({"what": "cancelled", "heard": true}),
        json!({"what": "at once", "calls": 1000, "kept": 1000}),
    ];
    assert_eq!(said, expect);
}
