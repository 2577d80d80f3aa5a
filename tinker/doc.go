// Package tinker is a client of training servers that speak the Tinker protocol: SkyRL,
// TuFT and others. It holds the protocol's messages, and knows nothing of what is
// trained, or why.
//
// The messages are written and read both ways, so that a client and a server of tests
// share them: ForwardBackwardRequest, ForwardBackwardOutput and SampleResponse as
// protobuf (AppendProto, UnmarshalProto) and as JSON, all others as JSON. Tensors are
// vectors; sparse ones, those of more dimensions and images are refused.
//
// Contract: whoever wrote the other end is a stranger. A decoder never panics and holds at
// most a small multiple of its input, whatever lengths, offsets and shapes that names. A
// field that it does not know it passes over, since the protocol grows; one that it knows
// and cannot read is an error which names the field. What JSON calls null is no number.
package tinker
