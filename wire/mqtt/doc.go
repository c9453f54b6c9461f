// Package mqtt is one connection to an MQTT 3.1.1 broker, for the machine's uplink and for the hub: dialling, TLS, the
// guard that checks what the broker sends, CONNECT, SUBSCRIBE, and waiting for the broker's answers.
//
// The client library (paho.mqtt.golang) is used in the one mode that was measured to be honest: no reconnect of its own
// (it reports success for messages that it lost), clean sessions, no store, a write timeout, and a fresh client for
// each connection. Whoever uses this package reconnects after a pause of its own, with jitter.
//
// Messages are delivered in the order in which the broker sent them, one at a time. The broker is not trusted: a
// message that is larger than Options.MaxPacket is dropped and reported, and any other packet that no broker may send
// ends the connection.
package mqtt
