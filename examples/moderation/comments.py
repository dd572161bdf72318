"""
Comments written for this example, with what a moderator says of each.

The rule: they are few, mild and made up. They show how texts run through the consumer, not how to moderate.
"""

from typing import NamedTuple


class Comment(NamedTuple):
    """A comment and two judgements of it: its tone, and what it is about."""

    text: str
    tone: str
    topic: str


TRAINING = (
    Comment("thank you, that was a great explanation", "kind", "talk"),
    Comment("what a lovely photo, thanks for sharing it", "kind", "talk"),
    Comment("I agree with you, well said", "kind", "talk"),
    Comment("good point, I had not thought of that", "kind", "talk"),
    Comment("thanks, this helped me a lot today", "kind", "talk"),
    Comment("nice work, the recipe came out great", "kind", "talk"),
    Comment("could you explain the second step, please", "kind", "talk"),
    Comment("welcome to the group, great to have you", "kind", "talk"),
    Comment("you are an idiot and nobody likes you", "rude", "talk"),
    Comment("shut up, you stupid fool", "rude", "talk"),
    Comment("what a stupid comment, go away", "rude", "talk"),
    Comment("only an idiot would write this rubbish", "rude", "talk"),
    Comment("you are pathetic, shut up", "rude", "talk"),
    Comment("this is the dumbest rubbish I ever read, fool", "rude", "talk"),
    Comment("nobody asked you, stupid", "rude", "talk"),
    Comment("go away, you pathetic liar", "rude", "talk"),
    Comment("great offer, buy cheap watches at our shop today", "kind", "advert"),
    Comment("lovely deals, thanks for visiting our shop, 50% off", "kind", "advert"),
    Comment("win a free phone, click the link now", "kind", "advert"),
    Comment("please visit our web shop for cheap shoes, free delivery", "kind", "advert"),
    Comment("great prices, click here and buy now", "kind", "advert"),
    Comment("earn money from home, free sign-up, click here", "kind", "advert"),
    Comment("only a fool pays full price, buy cheap here, idiot", "rude", "advert"),
    Comment("stop being stupid, click the link and win money now", "rude", "advert"),
)

PUT = (
    Comment("thanks, great photo", "kind", "talk"),
    Comment("shut up, you idiot", "rude", "talk"),
    Comment("buy cheap phones, click the link", "kind", "advert"),
    Comment("I had not thought of the second point, well explained", "kind", "talk"),
    Comment("what stupid rubbish, you fool", "rude", "talk"),
    Comment("free delivery today, visit our shop", "kind", "advert"),
)
"""Comments that the models have not seen."""
