// Package tinker is a client of training servers that speak the Tinker protocol: SkyRL,
// TuFT and others. It holds the protocol's messages, and knows nothing of what is
// trained, or why.
//
// The messages are written and read both ways, so that a client and a server of tests
// share them: ForwardBackwardRequest, ForwardBackwardOutput and SampleResponse as
// protobuf (AppendProto, UnmarshalProto) and as JSON, all others as JSON. Tensors are
// vectors; sparse ones, those of more dimensions and images are refused.
//
// Dial begins a session, which Client keeps alive. A Model is trained and a Sampler is
// sampled with; their operations are begun at once and give a Future. Those of a model
// reach the server in the order of their calls, with numbers of their own. A request whose
// answer is lost is sent again, byte for byte, with the same number, and servers do it
// once. Waits grow and end: Options.Patience bounds them, an operation's context all of it.
//
// What a server takes silently and trains something else with is not sent: tensors of
// another length or name, numbers that are not finite, tokens out of the vocabulary,
// thresholds that are left to the server. What comes back is checked as well.
//
// How it fails: with an *Error whose Kind says what to do, or with the error of a context.
// Where only a part of a gradient may be on the server, or it is not known whether a
// request was done, nothing more is trained on the model, which is Uncertain: it is made
// anew and loads what was saved last. No error, no counter and no request but to the
// server itself holds the key, nothing but the key's variable is read from the environment
// and no redirect is followed, but that to an archive, without the key.
//
// Contract: whoever wrote the other end is a stranger. A decoder never panics and holds at
// most a small multiple of its input, whatever lengths, offsets and shapes that names. A
// field that it does not know it passes over, since the protocol grows; one that it knows
// and cannot read is an error which names the field. What JSON calls null is no number.
package tinker
