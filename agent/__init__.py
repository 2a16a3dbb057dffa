"""The one who answers: watches, retrieves, asks the language model, checks what it cites."""
