package serve

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what GET /metrics tells Prometheus; docs/serve.md lists them.
type metrics struct {
	registry *prometheus.Registry
	begins   *prometheus.CounterVec
	ends     *prometheus.CounterVec
	actions  *prometheus.CounterVec
	refusals *prometheus.CounterVec
	repeats  prometheus.Counter
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	valid    map[string][2]prometheus.Counter // of actions, by protocol: those that could not be read, those that could
}

func newMetrics(s *Server) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ballast_serve_" + name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		begins:   counter("episodes_begun_total", "Episodes that began.", "protocol"),
		ends:     counter("episodes_ended_total", "Episodes that ended, by how.", "protocol", "how"),
		actions:  counter("actions_total", "Actions that were played; valid says whether they could be read.", "protocol", "valid"),
		refusals: counter("refused_total", "Requests that found no room for their episodes.", "protocol"),
		repeats: prometheus.NewCounter(prometheus.CounterOpts{Name: "ballast_serve_repeated_total",
			Help: "Actions that a client repeated because it did not get the answer; they were not played again."}),
		requests: counter("requests_total", "HTTP requests.", "route", "code"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ballast_serve_request_seconds", Help: "Time of HTTP requests.",
			Buckets: []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60},
		}, []string{"route"}),
	}
	m.valid = map[string][2]prometheus.Counter{}
	for _, protocol := range []string{verlTool, openEnv} {
		m.valid[protocol] = [2]prometheus.Counter{m.actions.WithLabelValues(protocol, "false"), m.actions.WithLabelValues(protocol, "true")}
	}
	gauge := func(name, help string, of func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "ballast_serve_" + name, Help: help}, of)
	}
	m.registry.MustRegister(m.begins, m.ends, m.actions, m.refusals, m.repeats, m.requests, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("sessions_open", "Sessions that are open.", func() float64 { return float64(s.registry.size()) }),
		gauge("sessions_limit", "Most sessions that may be open.", func() float64 { return float64(s.cfg.Sessions) }),
		gauge("requests_under_way", "Requests that are worked on.", func() float64 { return float64(len(s.slots)) }))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

func (m *metrics) began(protocol string)      { m.begins.WithLabelValues(protocol).Inc() }
func (m *metrics) ended(protocol, how string) { m.ends.WithLabelValues(protocol, how).Inc() }
func (m *metrics) refused(protocol string)    { m.refusals.WithLabelValues(protocol).Inc() }
func (m *metrics) repeated()                  { m.repeats.Inc() }

func (m *metrics) acted(protocol string, a *answer) {
	i := 0
	if a.valid {
		i = 1
	}
	m.valid[protocol][i].Inc()
}

// measured counts requests by the route that mux answers them with.
func (m *metrics) measured(mux *http.ServeMux, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		_, route := mux.Handler(r)
		if route == "" {
			route = "none"
		}
		seen := &recorder{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r)
		m.requests.WithLabelValues(route, strconv.Itoa(seen.code)).Inc()
		if route == "GET /ws" { // it lasts as long as its client
			return
		}
		m.seconds.WithLabelValues(route).Observe(time.Since(start).Seconds())
	})
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the status.
func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
