package scheduler_test

import (
	"fmt"
	"log"

	"latent/scheduler"
)

// A picture of one number: the model has seen only 0.5, so its x̂0 is always
// 0.5. The loop is the one that makes real pictures, with numbers for tensors.
func Example() {
	cfg := scheduler.StableDiffusion()
	cfg.PredictionType = scheduler.PredictSample
	model := func(x, timestep float64) float64 { return 0.5 }

	steps, err := scheduler.New(scheduler.Options{Sampler: "ddim", Steps: 4}, cfg)
	if err != nil {
		log.Fatal(err)
	}
	x := steps[0].Init * -1.3 // noise drawn from N(0, 1)
	for _, step := range steps {
		out := model(step.InputScale*x, step.Timestep)
		preview := step.PredictX*x + step.PredictOutput*out
		x = step.X[0]*x + step.Output[0]*out // neither clipping nor noise here
		fmt.Printf("t = %3.0f: x = %5.2f, x̂0 = %.2f\n", step.Timestep, x, preview)
	}
	// Output:
	// t = 751: x = -0.98, x̂0 = 0.50
	// t = 501: x = -0.43, x̂0 = 0.50
	// t = 251: x =  0.44, x̂0 = 0.50
	// t =   1: x =  0.46, x̂0 = 0.50
}

// One training example: noise x_0, ask the model, and weigh its error.
func ExampleSchedule() {
	schedule, err := scheduler.NewSchedule(scheduler.StableDiffusion())
	if err != nil {
		log.Fatal(err)
	}
	const t = 100
	x0, eps := 0.5, -1.3
	signal, noise := schedule.Forward(t)
	xt := signal*x0 + noise*eps
	ofX0, ofEps := schedule.Target(t)
	target := ofX0*x0 + ofEps*eps
	fmt.Printf("x_t = %.3f, target = %.1f, weight = %.3f\n", xt, target, schedule.Weight(t, 5))
	// Output: x_t = 0.050, target = -1.3, weight = 0.591
}
