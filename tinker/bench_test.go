package tinker

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkTrain is a ForwardBackward of 32 sequences with 1,000 tokens each to a server
// of this machine that trains nothing: what the client needs to write the request, send it
// and read what comes back.
func BenchmarkTrain(b *testing.B) {
	const sequences, tokens = 32, 1000
	rng := rand.New(rand.NewPCG(1, 1))
	var data []Datum
	var out ForwardBackwardOutput
	for range sequences {
		in, lp, adv := make(ModelInput, tokens), make([]float32, tokens), make([]float32, tokens)
		for i := range in {
			in[i], lp[i], adv[i] = rng.Int32N(150_000), -rng.Float32(), rng.Float32()-0.5
		}
		data = append(data, Datum{in, Tensors{{"target_tokens", Ints([]int32(in))}, {"logprobs", Floats(lp)}, {"advantages", Floats(adv)}}})
		out.Outputs = append(out.Outputs, Tensors{{"elementwise_loss", Floats(adv)}, {"logprobs", Floats(lp)}})
	}
	answer := out.AppendProto(nil)
	for _, mode := range []struct {
		name string
		o    Options
	}{{"proto", Options{Wire: Proto}}, {"proto-zstd", Options{Wire: Proto, Compress: true}}, {"json", Options{Wire: JSON}}} {
		b.Run(mode.name, func(b *testing.B) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				switch r.URL.Path {
				case PathRetrieveFuture:
					if mode.o.Wire == JSON {
						say(w, 200, &out)
						return
					}
					w.Header().Set("Content-Type", TypeProto)
					w.Write(answer)
				case PathCreateSession:
					io.WriteString(w, `{"session_id":"s"}`)
				default:
					io.WriteString(w, `{"request_id":"1","model_id":"m"}`)
				}
			}))
			defer s.Close()
			o := mode.o
			o.Address, o.Heartbeat = s.URL, -1
			c, err := Dial(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			m := &Model{c: c, id: "m", tail: make(chan struct{})}
			close(m.tail)
			b.ReportAllocs()
			for b.Loop() {
				got, err := m.ForwardBackward(b.Context(), data, "importance_sampling", nil).Wait()
				if err != nil || len(got.Outputs) != sequences {
					b.Fatal(err)
				}
			}
			n := c.Counters()
			ran := float64(b.N) * sequences * tokens / 1000
			b.ReportMetric(float64(n["forward_backward"].BytesSent)/ran, "sent-B/ktok")
			b.ReportMetric(float64(n["retrieve_future"].BytesReceived)/ran, "received-B/ktok")
			b.ReportMetric(b.Elapsed().Seconds()*1000/ran, "ms/ktok")
		})
	}
}
