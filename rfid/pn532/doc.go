// Package pn532 reads 13.56 MHz cards (ISO/IEC 14443 type A) through an NXP PN532 on a serial line, I²C or SPI. The
// package exchanges commands with cards that support ISO/IEC 14443-4, so that a card can prove that it holds a key.
//
// The package accepts numbers of 4, 7 and 10 bytes, and reads one card at a time. The package reports no card for
// answers that do not match the manual, for several cards at once, and for random numbers: four bytes that begin with
// 08, which telephones and bank cards send (ISO/IEC 14443-3, 6.4.4). The package tolerates two failures of the chip
// in a row: no answer, the answer to another command, or the report of an unknown command. After a third failure Poll
// returns an error, and the caller must close the device and open it again.
//
// Each wait has a time limit. If a command times out, the package aborts it (by an ACK from the host) and discards a
// late answer.
//
// Section numbers without a document refer to NXP's user manual UM0701-02, Rev. 02.
package pn532
