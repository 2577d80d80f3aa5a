package bfcl

import (
	"math"
	"slices"
	"sync"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// vehicleAPI is a VehicleControlAPI.
type vehicleAPI struct {
	core
	random                          random
	fuel, battery, engine, unlocked any
	doors                           shared // name -> locked or unlocked
	temperature, fan, mode          any
	humidity, lights                any
	parking, parkingForce, slope    any
	brake, brakeForce               any
	distance, cruise, destination   any
	tires                           [4]any // front left, front right, rear left, rear right
	long                            bool
}

var defaultDoors any = value.NewDict("driver", "unlocked", "passenger", "unlocked", "rear_left", "unlocked", "rear_right", "unlocked")

// The names of the tires' pressures.
const (
	frontLeft  = "frontLeftTirePressure"
	frontRight = "frontRightTirePressure"
	rearLeft   = "rearLeftTirePressure"
	rearRight  = "rearRightTirePressure"
)

// vehicleFields are the attributes of a vehicleAPI that the checker compares.
var vehicleFields = fields[*vehicleAPI]{
	{"fuelLevel", func(s *vehicleAPI) *any { return &s.fuel }, 0.0},
	{"batteryVoltage", func(s *vehicleAPI) *any { return &s.battery }, 12.6},
	{"engine_state", func(s *vehicleAPI) *any { return &s.engine }, "stopped"},
	{"remainingUnlockedDoors", func(s *vehicleAPI) *any { return &s.unlocked }, nil},
	{"doorStatus", func(s *vehicleAPI) *any { return &s.doors.v }, defaultDoors},
	{"acTemperature", func(s *vehicleAPI) *any { return &s.temperature }, 25.0},
	{"fanSpeed", func(s *vehicleAPI) *any { return &s.fan }, int64(50)},
	{"acMode", func(s *vehicleAPI) *any { return &s.mode }, "auto"},
	{"humidityLevel", func(s *vehicleAPI) *any { return &s.humidity }, 50.0},
	{"headLightStatus", func(s *vehicleAPI) *any { return &s.lights }, "off"},
	{"parkingBrakeStatus", func(s *vehicleAPI) *any { return &s.parking }, "released"},
	{"brakePedalStatus", func(s *vehicleAPI) *any { return &s.brake }, "released"},
	{"distanceToNextVehicle", func(s *vehicleAPI) *any { return &s.distance }, 50.0},
	{"cruiseStatus", func(s *vehicleAPI) *any { return &s.cruise }, "inactive"},
	{"destination", func(s *vehicleAPI) *any { return &s.destination }, "None"},
	{frontLeft, func(s *vehicleAPI) *any { return &s.tires[0] }, 32.0},
	{frontRight, func(s *vehicleAPI) *any { return &s.tires[1] }, 32.0},
	{rearLeft, func(s *vehicleAPI) *any { return &s.tires[2] }, 30.0},
	{rearRight, func(s *vehicleAPI) *any { return &s.tires[3] }, 30.0},
}

func newVehicle(d *value.Dict, long bool) *vehicleAPI {
	c := config{d}
	s := &vehicleAPI{random: newRandom(c.lookup("random_seed", int64(travelSeed))), long: long}
	vehicleFields.load(s, c)
	s.engine = c.lookup("engineState", "stopped")
	s.parkingForce = c.lookup("parkingBrakeForce", 0.0)
	s.slope = c.lookup("slopeAngle", 0.0)
	s.brakeForce = c.lookup("brakePedalForce", 0.0)
	doors, unlocked := s.doors.dict("keys"), int64(4)
	for i := range doors.Len() {
		if _, status := doors.At(i); status == "locked" {
			unlocked--
		}
	}
	s.unlocked = unlocked
	return s
}

// Call runs one call.
func (s *vehicleAPI) Call(c ballast.Call) string { return vehicleClass.call(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *vehicleAPI) Copy() world.State {
	c := *s
	disown(&c.core, &c.random, &c.doors)
	return &c
}

// Equal names the first attribute that differs.
func (s *vehicleAPI) Equal(other world.State) string {
	o := other.(*vehicleAPI)
	return vehicleFields.differ(s, o, s.long != o.long)
}

// Dump returns the public attributes.
func (s *vehicleAPI) Dump() any { return dump(s) }

func (s *vehicleAPI) public() []any { return vehicleFields.list(s, "long_context", s.long) }

// vehicleClass is the table of VehicleControlAPI.
var vehicleClass = newClass("VehicleControlAPI",
	method[*vehicleAPI]{name: "activateParkingBrake", params: []string{"mode"}, run: (*vehicleAPI).parkingBrake},
	method[*vehicleAPI]{name: "adjustClimateControl", params: []string{"temperature", "unit", "fanSpeed", "mode"},
		defaults: []any{"celsius", int64(50), "auto"}, run: (*vehicleAPI).climate},
	method[*vehicleAPI]{name: "check_tire_pressure", run: (*vehicleAPI).tirePressure},
	method[*vehicleAPI]{name: "displayCarStatus", params: []string{"option"}, run: (*vehicleAPI).status},
	method[*vehicleAPI]{name: "display_log", params: []string{"messages"}, run: (*vehicleAPI).log},
	method[*vehicleAPI]{name: "estimate_distance", params: []string{"cityA", "cityB"}, run: (*vehicleAPI).estimateDistance},
	method[*vehicleAPI]{name: "estimate_drive_feasibility_by_mileage", params: []string{"distance"}, run: (*vehicleAPI).feasibility},
	method[*vehicleAPI]{name: "fillFuelTank", params: []string{"fuelAmount"}, run: (*vehicleAPI).fillTank},
	method[*vehicleAPI]{name: "find_nearest_tire_shop", run: (*vehicleAPI).tireShop},
	method[*vehicleAPI]{name: "gallon_to_liter", params: []string{"gallon"}, run: (*vehicleAPI).liters},
	method[*vehicleAPI]{name: "get_current_speed", run: (*vehicleAPI).speed},
	method[*vehicleAPI]{name: "get_outside_temperature_from_google", run: (*vehicleAPI).outside},
	method[*vehicleAPI]{name: "get_outside_temperature_from_weather_com", run: (*vehicleAPI).weather},
	method[*vehicleAPI]{name: "get_zipcode_based_on_city", params: []string{"city"}, run: (*vehicleAPI).zipcode},
	method[*vehicleAPI]{name: "liter_to_gallon", params: []string{"liter"}, run: (*vehicleAPI).gallons},
	method[*vehicleAPI]{name: "lockDoors", params: []string{"unlock", "door"}, run: (*vehicleAPI).lock},
	method[*vehicleAPI]{name: "pressBrakePedal", params: []string{"pedalPosition"}, run: (*vehicleAPI).press},
	method[*vehicleAPI]{name: "releaseBrakePedal", run: (*vehicleAPI).release},
	method[*vehicleAPI]{name: "setCruiseControl", params: []string{"speed", "activate", "distanceToNextVehicle"},
		run: (*vehicleAPI).setCruise},
	method[*vehicleAPI]{name: "setHeadlights", params: []string{"mode"}, run: (*vehicleAPI).headlights},
	method[*vehicleAPI]{name: "set_navigation", params: []string{"destination"}, run: (*vehicleAPI).navigate},
	method[*vehicleAPI]{name: "startEngine", params: []string{"ignitionMode"}, run: (*vehicleAPI).startEngine},
)

func (s *vehicleAPI) startEngine(a []any) string {
	if a[0] == "STOP" {
		s.engine = "stopped"
	}
	switch {
	case python.Greater(s.unlocked, int64(0)):
		doors := s.doors.dict("items")
		b, first := []byte(nil), true
		for i := range doors.Len() {
			name, status := doors.At(i)
			if status != "unlocked" {
				continue
			}
			if !first {
				b = append(b, ", "...)
			}
			first = false
			b = appendStr(b, name)
		}
		return s.error("All doors must be locked before starting the engine. Here are the unlocked doors: ", string(b))
	case !value.Equal(s.brake, "pressed"):
		return s.error("Brake pedal needs to be pressed when starting the engine.")
	case !value.Equal(s.brakeForce, 1000.0):
		return s.error("Must press the brake fully before starting the engine.")
	case python.Less(s.fuel, 0.0):
		return s.error("Fuel tank is empty.")
	case a[0] != "START":
		return s.error("Invalid ignition mode.")
	}
	s.engine = "running"
	return s.dict("engineState", s.engine, "fuelLevel", s.fuel, "batteryVoltage", s.battery)
}

func (s *vehicleAPI) fillTank(a []any) string {
	if python.Less(a[0], int64(0)) {
		return s.error("Fuel amount cannot be negative.")
	}
	level := python.Add("+", s.fuel, a[0])
	if python.Greater(level, int64(50)) {
		return s.error("Cannot fill gas above the tank capacity.")
	}
	if python.Less(level, 0.0) {
		return s.error("Fuel tank is empty. Min fuel level is 0 gallons.")
	}
	s.fuel = level
	return s.dict("fuelLevel", s.fuel)
}

func (s *vehicleAPI) lock(a []any) string {
	var status, step any = "locked", int64(-1)
	if value.Truth(a[0]) {
		status, step = "unlocked", int64(1)
	}
	for _, door := range python.Iterate(a[1]) {
		if python.Item(s.doors.v, door) == status {
			continue
		}
		s.doors.writeDict("get").Set(door, status)
		s.unlocked = python.Add("+=", s.unlocked, step)
	}
	return s.dict("lockStatus", status, "remainingUnlockedDoors", s.unlocked)
}

func (s *vehicleAPI) climate(a []any) string {
	temperature, unit, fan, mode := a[0], a[1], a[2], a[3]
	if !python.AtMost(int64(0), fan) || !python.AtMost(fan, int64(100)) {
		return s.error("Fan speed must be between 0 and 100.")
	}
	s.temperature = own(temperature)
	if unit == "fahrenheit" {
		s.temperature = python.Div(python.Mul(python.Sub("-", temperature, int64(32)), int64(5)), int64(9))
	}
	s.fan, s.mode = own(fan), own(mode)
	return s.dict("currentACTemperature", temperature, "climateMode", mode, "humidityLevel", s.humidity)
}

func (s *vehicleAPI) outside([]any) string {
	degrees := s.random.uniform(-10, 40)
	if !s.long {
		return s.dict("outsideTemperature", degrees)
	}
	b := append(s.begin(), constants().weather.json...)
	b = append(b[:len(b)-1], `, "outsideTemperature": `...)
	return s.said(append(value.AppendFloat(b, degrees), '}'))
}

func (s *vehicleAPI) weather([]any) string { return `{"error": 404}` }

func (s *vehicleAPI) headlights(a []any) string {
	switch a[0] {
	case "on":
		s.lights = "on"
	case "off", "auto":
		s.lights = "off"
	default:
		return s.error("Invalid headlight mode.")
	}
	return s.dict("headlightStatus", s.lights)
}

func (s *vehicleAPI) status(a []any) string {
	pairs := make([]any, 0, 10)
	if s.long {
		pairs = append(pairs, "metadata", constants().carStatus)
	}
	switch a[0] {
	case "fuel":
		pairs = append(pairs, "fuelLevel", s.fuel)
	case "battery":
		pairs = append(pairs, "batteryVoltage", s.battery)
	case "doors":
		pairs = append(pairs, "doorStatus", s.doors.v)
	case "climate":
		pairs = append(pairs, "currentACTemperature", s.temperature, "fanSpeed", s.fan,
			"climateMode", s.mode, "humidityLevel", s.humidity)
	case "headlights":
		pairs = append(pairs, "headlightStatus", s.lights)
	case "parkingBrake":
		pairs = append(pairs, "parkingBrakeStatus", s.parking, "parkingBrakeForce", s.parkingForce, "slopeAngle", s.slope)
	case "brakePedal":
		pairs = append(pairs, "brakePedalStatus", s.brake, "brakePedalForce", s.brakeForce)
	case "engine":
		pairs = append(pairs, "engineState", s.engine)
	default:
		pairs = append(pairs, "error", "Invalid option")
	}
	return s.dict(pairs...)
}

// parkingAnswers are the answers of a released and of an engaged parking brake,
// without and with the instructions.
var parkingAnswers = [2]func() [2]string{
	sync.OnceValue(func() [2]string { return answerParking() }),
	sync.OnceValue(func() [2]string {
		return answerParking("parkingBrakeInstruction", constants().parkingBrake)
	}),
}

func answerParking(before ...any) [2]string {
	before = slices.Clip(before)
	return [2]string{
		constant(append(before, "parkingBrakeStatus", "released", "_parkingBrakeForce", 0.0, "_slopeAngle", 10.0)...),
		constant(append(before, "parkingBrakeStatus", "engaged", "_parkingBrakeForce", 500.0, "_slopeAngle", 10.0)...),
	}
}

func (s *vehicleAPI) parkingBrake(a []any) string {
	answers, engaged := parkingAnswers[0], 0
	if s.long {
		answers = parkingAnswers[1]
	}
	switch a[0] {
	case "engage":
		s.parking, s.parkingForce, engaged = "engaged", 500.0, 1
	case "release":
		s.parking, s.parkingForce = "released", 0.0
	default:
		return s.error("Invalid mode")
	}
	s.slope = 10.0
	return answers()[engaged]
}

// constant is an answer that does not depend on a state.
func constant(pairs ...any) string { return (&core{scratch: new(scratch)}).dict(pairs...) }

func (s *vehicleAPI) press(a []any) string {
	position := a[0]
	if !python.AtMost(int64(0), position) || !python.AtMost(position, int64(1)) {
		return s.error("Pedal position must be between 0 and 1.")
	}
	if value.Equal(position, int64(0)) {
		return s.release(nil)
	}
	s.brake, s.brakeForce = "pressed", python.Mul(position, int64(1000))
	force := s.brakeForce
	if _, ok := force.(float64); !ok {
		force = python.ToFloat(force)
	}
	return s.dict("brakePedalStatus", "pressed", "brakePedalForce", force)
}

func (s *vehicleAPI) release([]any) string {
	s.brake, s.brakeForce = "released", 0.0
	return `{"brakePedalStatus": "released", "brakePedalForce": 0.0}`
}

func (s *vehicleAPI) setCruise(a []any) string {
	distance := float(a[2])
	speed := float(a[0])
	if value.Equal(s.engine, "stopped") {
		return s.error("Start the engine before activating the cruise control.")
	}
	var status any = "inactive"
	s.distance = distance
	if value.Truth(a[1]) {
		status = "active"
		if speed < 0 || speed > 120 || math.Mod(speed, 5) != 0 {
			return s.error("Invalid speed")
		}
	}
	s.cruise = status
	return s.dict("cruiseStatus", status, "currentSpeed", speed, "distanceToNextVehicle", distance)
}

func (s *vehicleAPI) speed([]any) string {
	return s.dict("currentSpeed", s.random.uniform(0, 120))
}

func (s *vehicleAPI) log(a []any) string { return s.dict("log", a[0]) }

func (s *vehicleAPI) feasibility(a []any) string {
	return s.dict("canDrive", !python.Less(python.Mul(s.fuel, 20.0), a[0]))
}

func (s *vehicleAPI) gallons(a []any) string { return s.dict("gallon", python.Mul(a[0], 0.264172)) }

func (s *vehicleAPI) liters(a []any) string { return s.dict("liter", python.Mul(a[0], 3.78541)) }

func (s *vehicleAPI) navigate(a []any) string {
	s.destination = own(a[0])
	if _, ok := a[0].(string); !ok {
		python.Add("+", "", a[0]) // raises
	}
	return s.line("status", "Navigating to ", a[0])
}

func (s *vehicleAPI) tirePressure([]any) string {
	healthy := s.healthyTires()
	var info any = emptyDict
	if s.long {
		info = constants().carStatus
	}
	return s.dict(frontLeft, s.tires[0], frontRight, s.tires[1], rearLeft, s.tires[2], rearRight, s.tires[3],
		"healthy_tire_pressure", healthy, "car_info", info)
}

// healthyTires reports whether the mean pressure is from 30 to 35.
func (s *vehicleAPI) healthyTires() bool {
	sum, usual := 0.0, true // all are floats, as a rule
	for _, p := range s.tires {
		f, ok := p.(float64)
		sum, usual = sum+f, usual && ok
	}
	if usual {
		return sum/4 >= 30 && sum/4 <= 35
	}
	total := python.Add("+", python.Add("+", python.Add("+", s.tires[0], s.tires[1]), s.tires[2]), s.tires[3])
	mean := python.Div(total, int64(4))
	return python.AtMost(int64(30), mean) && python.AtMost(mean, int64(35))
}

func (s *vehicleAPI) tireShop([]any) string {
	return `{"shopLocation": "456 Oakwood Avenue, Rivermist, 83214"}`
}
