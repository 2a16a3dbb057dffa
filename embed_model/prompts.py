"""The paper's prompts for making and using instruction data, word for word.

Section 3.2.2 (Tables 3, 4 and 6) and the appendix (Tables 8 and 9). The only marks of ours are the braces, which
stand where the paper prints a name such as *origin_caption*. `DIALOGUE_FORMAT`, beside them, is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

DESCRIPTION = (
    "Give you a video of {origin_caption}. The content of the video in temporal order is: "
    '{textualizing_videos}. Please use the sequence adverbs "first", "next", "then" and "finally" to '
    "describe this video in detail, but don't mention the specific time. Give as many details as "
    "possible. Say everything you see. The description should be more than 150 words and less than 200 "
    "words."
)
"""Table 3: a detailed description from captions."""

REFINEMENT = (
    "Fix the error in the given paragraph. Remove any repeating sentences, meaningless characters, not "
    "English sentences, and so on. Remove unnecessary repetition. Rewrite any incomplete sentences. "
    "Return directly the results without explanation. Return directly the input paragraph if it is "
    "already correct without explanation."
)
"""Table 4: put right what the first answer got wrong."""

CONVERSATION = (
    "As an AI visual assistant, you are observing a single video. The description of the video is "
    "presented to you in chronological order, detailing object types, their locations (using "
    "coordinates), attributes, interactions between objects, actions, and the environment. Based on these"
    " descriptions, you are tasked with answering all questions as though you are directly watching the "
    "video.\n\n"
    "Create a dialogue between yourself and someone inquiring about the video. Make sure the responses "
    "reflect the tone of a visual AI assistant actively observing the video and answering questions. "
    "Include diverse queries and corresponding answers.\n\n"
    "Incorporate questions that address the visual content of the video, such as object types, "
    "attributes, object counting, actions, locations, relative positions between objects, and changes in "
    "object actions or locations over time, as well as object interactions. Only include questions with "
    "definitive answers:\n\n"
    "Questions whose contents can be confidently observed and answered based on the video.\n"
    "Questions whose absence from the video can be confidently determined.\n\n"
    "Next, encompass questions related to temporal perception and reasoning, such as inquiring about what"
    " a person did before or after an event, or asking for specific timestamps of certain events or "
    "actions\n\n"
    "Also include complex questions relevant to the video's content, like those asking about the "
    "background knowledge of objects or actions in the video, discussing events occurring in the video, "
    "delving into counterfactual topics (e.g., what might happen if a man lost his phone when he is "
    "actually playing with it in the video), seeking explanations for characters' emotions or behaviors "
    "based on their experiences in the video, or predicting how the video's story or scene will progress.\n\n"
    "Since you receive video descriptions while viewing the video, prioritize asking more questions about"
    " visual changes over time and the reasons or causes behind these changes rather than questions that "
    "can be inferred from a single frame.\n\n"
    "Remember not to inquire about uncertain details. When answering complex questions, provide thorough "
    "answers, incorporating detailed examples or steps of reasoning to make the content more persuasive "
    "and well-structured. Use multiple paragraphs if necessary. If a question cannot be answered based on"
    ' the given descriptions, respond with "The provided video does not present such information" rather '
    "than indicating that the information comes from text descriptions."
)
"""Table 6: a dialogue of descriptive, temporal and causal questions."""

REFUSAL = "The provided video does not present such information"
"""The answer that Table 6 asks for where the descriptions hold none."""

DIALOGUE_FORMAT = (
    'Write every turn of the dialogue as two lines, "Question: ..." and "Answer: ...". In the description, each '
    "piece ends with its number in brackets. End every answer with the numbers of the pieces it rests on, like "
    '[3] or [3][5]; only "' + REFUSAL + '" has none. The numbers are taken out before anybody reads the answer, so '
    "never speak of them."
)
"""Ours, beside Table 6: how to write the dialogue, and that each answer names the captions it rests on."""

BRIEF_IMAGE: Sequence[str] = (
    "Describe the following image concisely.",
    "Provide a brief description of the given image.",
    "Offer a succinct explanation of the picture presented.",
    "Summarize the visual content of the following image.",
    "Give a short and clear explanation of the subsequent image.",
    "Share a concise interpretation of the image provided.",
    "Present a compact description of the photo's key features.",
    "Relay a brief, clear account of the picture shown.",
    "Render a clear and concise summary of the photo below.",
    "Write a terse but informative summary of the following picture.",
    "Create a compact narrative representing the image presented.",
)
"""Table 8, first half: instructions of stage 1 for images."""

BRIEF_VIDEO: Sequence[str] = (
    "Describe the following video concisely.",
    "Provide a brief description of the given video clip.",
    "Offer a succinct explanation of the footage presented.",
    "Summarize the visual content of the following video.",
    "Give a short and clear explanation of the subsequent video clip.",
    "Share a concise interpretation of the video provided.",
    "Present a compact description of the clip's key features.",
    "Relay a brief, clear account of the video shown.",
    "Render a clear and concise summary of the video below.",
    "Write a terse but informative summary of the following video clip.",
    "Create a compact narrative representing the video presented.",
)
"""Table 8, second half: instructions of stage 1 for videos."""

DETAILED_IMAGE: Sequence[str] = (
    "Describe the following image in detail.",
    "Provide a detailed description of the given image.",
    "Give an elaborate explanation of the image you see.",
    "Share a comprehensive rundown of the presented image.",
    "Offer a thorough analysis of the image.",
    "Explain the various aspects of the image before you.",
    "Clarify the contents of the displayed image with great detail.",
    "Characterize the image using a well-detailed description.",
    "Break down the elements of the image in a detailed manner.",
    "Walk through the important details of the image.",
    "Portray the image with a rich, descriptive narrative.",
    "Narrate the contents of the image with precision.",
    "Analyze the image in a comprehensive and detailed manner.",
    "Illustrate the image through a descriptive explanation.",
    "Examine the image closely and share its details.",
    "Write an exhaustive depiction of the given image.",
)
"""Table 9, first half: instructions of stage 2 for descriptions of images."""

DETAILED_VIDEO: Sequence[str] = (
    "Describe the following video in detail, including the actions and scenes.",
    "Provide a detailed description of the given video, capturing its key moments.",
    "Give an elaborate explanation of the video you see, including the events and characters.",
    "Share a comprehensive rundown of the presented video, highlighting its main sequences.",
    "Offer a thorough analysis of the video, discussing its various elements and storyline.",
    "Explain the various aspects of the video before you, including the setting and actions.",
    "Clarify the contents of the displayed video with great detail, focusing on its progression.",
    "Characterize the video using a well-detailed description, capturing its essence and events.",
    "Break down the elements of the video in a detailed manner, discussing its key components.",
    "Walk through the important details of the video, describing its scenes and characters.",
    "Portray the video with a rich, descriptive narrative, capturing its atmosphere and events.",
    "Narrate the contents of the video with precision, focusing on its storyline and visuals.",
    "Analyze the video in a comprehensive and detailed manner, discussing its themes and elements.",
    "Illustrate the video through a descriptive explanation, painting a vivid picture of its content.",
    "Examine the video closely and share its details, including the actions, characters, and setting.",
    "Write an exhaustive depiction of the given video, capturing its essence and key moments.",
)
"""Table 9, second half: instructions of stage 2 for descriptions of videos."""
