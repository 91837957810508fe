"""What a person looks at: the training chart, drawn detections, and pictures side by side."""
