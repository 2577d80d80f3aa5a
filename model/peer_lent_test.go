//go:build large

package model

// PeerFile lends what TestPeer compares to TestPeerNumbers, which has to stand outside of
// this package: the decoder imports it.
var PeerFile = peerFile
