"""The README's five lines."""

import guardrail

pipe = guardrail.Pipeline.from_pretrained("embedded")
result = pipe.generate("a house on a meadow at sunset, watercolor style", seed=7)
result.save("house.png")
print(result.record_id, result.decision.verdict)
