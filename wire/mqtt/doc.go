// Package mqtt implements one connection to an MQTT 3.1.1 broker, for the machine's uplink and for the hub: dialling,
// TLS, a guard that checks the broker's packets, CONNECT, SUBSCRIBE, and waiting for the broker's answers.
//
// The client library (paho.mqtt.golang) is used in the only mode that was reliable in tests: without its reconnect
// (which reports success for lost messages), with clean sessions, without a store, with a write timeout, and with a new
// client for each connection. After the loss of a connection, the caller makes a new one, after a pause with jitter.
//
// Messages are delivered one at a time, in the order in which the broker sent them. The broker is not trusted. A
// message larger than Options.MaxPacket is dropped and reported. Any other packet that a broker must not send ends the
// connection.
package mqtt
